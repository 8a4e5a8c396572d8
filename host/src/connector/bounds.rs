//! What one session's Store may hold: linear memory over all its memories together, tables, instances.

use wasmtime::ResourceLimiter;

use crate::limits::{COMPONENT_INSTANCES, COMPONENT_MEMORIES, COMPONENT_TABLES, Limits};

/// The bounds of one Store, and which of them the component has met.
#[derive(Debug)]
pub(super) struct Bounds {
    memory_octets: usize,
    memory_used: usize,
    table_elements: usize,
    refused: Option<String>,
}

impl Bounds {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_octets: usize::try_from(limits.memory_octets).unwrap_or(usize::MAX),
            memory_used: 0,
            table_elements: usize::try_from(limits.table_elements).unwrap_or(usize::MAX),
            refused: None,
        }
    }

    /// The last refusal, in words. A program that is refused memory traps a little later and says only "unreachable".
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }
}

impl ResourceLimiter for Bounds {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_used.saturating_sub(current).saturating_add(desired);
        if total > self.memory_octets {
            self.refused = Some(format!("it wanted {total} octets of memory and may have {} (limit `memory-octets`)", self.memory_octets));
            return Ok(false);
        }
        if maximum.is_none_or(|maximum| desired <= maximum) {
            self.memory_used = total;
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > self.table_elements {
            self.refused =
                Some(format!("it wanted a table of {desired} elements and may have {} (limit `table-elements`)", self.table_elements));
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        COMPONENT_INSTANCES
    }

    fn tables(&self) -> usize {
        COMPONENT_TABLES
    }

    fn memories(&self) -> usize {
        COMPONENT_MEMORIES
    }
}
