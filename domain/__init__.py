"""The words every folder uses: dossier, status, agency, contact, message, errors. No I/O."""
