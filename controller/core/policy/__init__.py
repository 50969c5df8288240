"""What the owner wants, as values: margins, contracts, mandates, money, signals, maintenance."""
