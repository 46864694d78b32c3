"""The bank: out-of-fold predictions of everything that was ever evaluated, and what can be made of them."""

from mlestar.bank.port import PredictionBank

__all__ = ["PredictionBank"]
