"""A field for the dossier code on agencies' own sites."""
