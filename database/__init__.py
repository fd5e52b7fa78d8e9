"""PostgreSQL: pools by role, transactions by tenant, migrations."""
