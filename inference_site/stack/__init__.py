"""The stack on one machine: embedded Postgres and RabbitMQ, and a supervisor of all processes."""
