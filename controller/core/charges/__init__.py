"""What a month's highest draw costs, and when exceeding it pays."""
