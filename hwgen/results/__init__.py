"""What remakes reports/, the README's tables and the plots; nothing else imports it."""
