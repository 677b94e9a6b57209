"""The bar contract, price adjustments, corporate actions and the quarantine of refused rows."""
