"""Facts about hardware, prices and carbon, with source and date on every row, and one typed loader."""
