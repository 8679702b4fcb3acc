"""`python -m media_analysis`."""

from media_analysis.cli import main

if __name__ == "__main__":
    main()
