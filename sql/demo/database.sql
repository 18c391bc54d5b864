-- One of the demo's databases, on its own server.
create database {{ database }}
