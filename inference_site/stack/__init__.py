"""The stack on one machine: embedded Postgres and RabbitMQ, and the supervisor of every process."""
