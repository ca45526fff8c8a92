"""One module for each place of the site; each ends in its `routes`."""
