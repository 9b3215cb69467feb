//! Both transports against a scripted node: with clients of our own, and with kubectl.

mod fake;
mod kubectl;
mod log;
mod spdy;
mod websocket;
