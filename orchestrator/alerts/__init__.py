"""Telling people of alerts.

What is to be told to whom is decided in the database (`claim_alert_deliveries`); here it is worded (`wording`), sent
(`targets`) and its end recorded (`delivery`).
"""
