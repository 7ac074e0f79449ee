//! Floor 3: the pipeline in the order of the data, then the questions.

pub mod access;
pub mod refusals;

pub mod draft;
pub mod rows;

pub mod averager;
pub mod bulk;
pub mod dead_letters;
pub mod ingest;
pub mod lead;
pub mod relay;
pub mod retention;

pub mod follower;
pub mod query;
pub mod quotes;

pub mod live;
pub mod route;

pub mod plan;
pub mod schedule;

pub mod assets;
pub mod fetch;
pub mod jobs;

pub mod feed;
pub mod forecast;
pub mod gauges;
pub mod health;
