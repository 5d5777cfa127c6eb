"""What Prometheus and Grafana read: the dashboards as Python, and the check of rules and configuration."""
