"""What the outside is told: alerts and warnings, through the webhook."""
