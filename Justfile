# The verbs of `cargo xtask`, for those who type `just`.

# List the verbs
default:
    @just --list --unsorted

# Every test there is; `just test --fast` leaves out the slow ones, `just test NAME` runs some
test *ARGS:
    cargo xtask test {{ARGS}}

# Build, start a Dovecot, receive a mailbox, show it
demo:
    cargo xtask demo

# kill -9 at random points of `receive`, 1,000 times
soak *ROUNDS:
    cargo xtask soak {{ROUNDS}}

# This project beside programs that do the same: all parts, or one (imap, store)
bench *ARGS:
    cargo xtask bench {{ARGS}}

# Build the first-party connectors to where a built binary finds them
connectors *ARGS:
    cargo xtask connectors {{ARGS}}

# The archive that an operator unpacks
dist *ARGS:
    cargo xtask dist {{ARGS}}

# Add the Rust target and install the servers that the tests need
setup:
    cargo xtask setup
