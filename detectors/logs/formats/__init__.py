"""What the lines of a query log say: one module for each format."""
