"""The paper broker's pure fill model."""
