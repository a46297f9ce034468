"""The page that runs bundles in a browser, as files: to be served, or written somewhere."""
