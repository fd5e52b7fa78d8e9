"""The pages of the console, one file each; `console.places` lists them."""
