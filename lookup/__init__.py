"""What is known of a dossier: store, codes, ingest of changes, disclosure, deadlines."""
