"""Published results and models as they are written down: rows of tables, names, hyper-parameters."""
