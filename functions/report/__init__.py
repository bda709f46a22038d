"""The record of what was decided and done, the counts, and what people read of both."""
