//! Servers with several ports, and clusters whose members name the ports of each other.

mod etcd;
mod rabbitmq;
mod redis;
