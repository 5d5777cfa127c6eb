"""RabbitMQ: the topology as data, and what is published to it."""
