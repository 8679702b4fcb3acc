"""Analysis: a job's kind names a task, which turns source files into results and derived files."""
