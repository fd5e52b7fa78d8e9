"""How agencies' systems push dossiers and changes: JSON, lines, CloudEvents, the national portal's messages."""
