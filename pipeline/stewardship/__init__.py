"""What keeps bytes for decades: preservation, audits, rescans, quarantine, purges, sweeping."""
