"""RabbitMQ: the topology as data, the rights made of it, and what is published and read there."""
