//! Tests of the program itself: each runs it as people do, with real processes, on a machine of its own.

#[cfg(test)]
mod deployment;
#[cfg(test)]
mod doors;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod fly;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod help;
#[cfg(test)]
mod lint_migrations;
#[cfg(test)]
mod machine;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod neon;
#[cfg(test)]
mod packaged;
#[cfg(test)]
mod running;
#[cfg(test)]
mod scaffold;
#[cfg(test)]
mod small_app;
#[cfg(test)]
mod stack;
#[cfg(test)]
mod story;
#[cfg(test)]
mod tools;
#[cfg(test)]
mod transcript;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod twins;
#[cfg(test)]
mod upgrade;
