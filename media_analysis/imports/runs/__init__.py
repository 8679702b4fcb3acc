"""Old runs and their archives, made by others or by an earlier life of this service, become runs of ours."""
