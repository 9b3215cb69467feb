//! Jobs and CronJobs.

mod cron;
mod job;
mod policy;
mod schedule;

pub(crate) use cron::validate_cron_job;
pub(crate) use job::{validate_job, validate_job_part};
