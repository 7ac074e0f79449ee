//! What a test hands on to the binary when it starts it.

/// Where a measurement of coverage is to be left, when one is made. A child that is started without
/// the environment of this process needs it: otherwise what only children do counts as never run.
pub(crate) fn measured() -> impl Iterator<Item = (String, String)> {
    std::env::vars().filter(|(name, _)| name == "LLVM_PROFILE_FILE")
}
