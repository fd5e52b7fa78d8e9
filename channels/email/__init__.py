"""E-mail: notices as letters that can be stopped with one click."""
