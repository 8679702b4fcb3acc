"""The store in a bucket of somebody's object storage: S3, Google Cloud Storage or Azure."""
