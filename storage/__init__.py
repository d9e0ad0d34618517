"""The ledger: leaves, the rows folded from them, and what proves that nothing was removed."""
