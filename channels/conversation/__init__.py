"""What a chat message means and what is answered, whichever channel it came by."""
