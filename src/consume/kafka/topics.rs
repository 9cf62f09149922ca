//! The topics and which of them are read.

use crate::config::KafkaConfig;
use crate::document::Priority;

/// A topic that workers read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// `documents.high`
    High,
    /// `documents`
    Normal,
    /// `documents.low`
    Low,
    /// `documents.retry`: documents that met a passing fault.
    Retry,
    /// `documents.slow`: documents that held up others.
    Slow,
    /// `documents.commands`, for what exactly one worker must do.
    Commands,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 6] = [Self::High, Self::Normal, Self::Low, Self::Retry, Self::Slow, Self::Commands];

    /// Its name among the lanes, for metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
            Self::Retry => "retry",
            Self::Slow => "slow",
            Self::Commands => "commands",
        }
    }

    /// How urgent its documents are, where they do not say so themselves.
    pub fn priority(self) -> Priority {
        match self {
            Self::High => Priority::High,
            Self::Normal | Self::Retry | Self::Commands => Priority::Normal,
            Self::Low | Self::Slow => Priority::Low,
        }
    }

    /// The lane that documents of a priority come in.
    pub fn of_priority(priority: Priority) -> Self {
        match priority {
            Priority::High => Self::High,
            Priority::Normal => Self::Normal,
            Priority::Low => Self::Low,
        }
    }
}

/// Names of all topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    prefix: String,
}

impl Topics {
    /// Topics whose names begin with `kafka.prefix`.
    pub fn new(config: &KafkaConfig) -> Self {
        Self { prefix: config.prefix.clone() }
    }

    /// The topic of a lane.
    pub fn lane(&self, lane: Lane) -> String {
        match lane {
            Lane::High => self.named("high"),
            Lane::Normal => self.prefix.clone(),
            Lane::Low => self.named("low"),
            Lane::Retry => self.named("retry"),
            Lane::Slow => self.named("slow"),
            Lane::Commands => self.named("commands"),
        }
    }

    /// The lane of a topic.
    pub fn lane_of(&self, topic: &str) -> Option<Lane> {
        Lane::ALL.into_iter().find(|lane| self.lane(*lane) == topic)
    }

    /// Understood documents.
    pub fn results(&self) -> String {
        self.named("results")
    }

    /// Where documents are.
    pub fn progress(&self) -> String {
        self.named("progress")
    }

    /// What happened, for those who subscribe.
    pub fn notifications(&self) -> String {
        self.named("notifications")
    }

    /// What people decided about doubtful documents.
    pub fn reviewed(&self) -> String {
        self.named("reviewed")
    }

    /// Documents that were given up.
    pub fn dead(&self) -> String {
        self.named("dead")
    }

    /// Every topic, with whether only the last record of a key counts.
    pub fn all(&self) -> Vec<(String, bool)> {
        let lanes = Lane::ALL.into_iter().map(|lane| (self.lane(lane), false));
        let compacted = [(self.results(), true), (self.progress(), true)];
        let kept = [(self.notifications(), false), (self.reviewed(), false), (self.dead(), false)];
        lanes.chain(compacted).chain(kept).collect()
    }

    fn named(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}
