"""When to move: policies that time switches of equal groups, and the accounts that judge them."""
