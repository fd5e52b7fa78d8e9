"""How a page is made, whoever it is for: templates, static files, style, headers, reading what a request carries."""
