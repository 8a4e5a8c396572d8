//! The disk as the kernel sees it: no cache between a process and the disk, so that a write is a write and a sync a sync.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, LockOwner, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::{Change, Names, Naming, Node, Shared, State, Versions};

/// Nothing is remembered by the kernel: the disk changes under it when power comes back.
const NEVER: Duration = Duration::ZERO;

pub(super) struct Mount(pub(super) Arc<Shared>);

impl Mount {
    /// Do something that changes the disk.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut state = self.0.lock();
        state.change().and_then(|()| change(&mut state))
    }

    /// Look at something.
    fn look<T>(&self, look: impl FnOnce(&mut State) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut state = self.0.lock();
        if state.is_off { Err(Errno::EIO) } else { look(&mut state) }
    }
}

impl State {
    fn attributes(&mut self, node: u64) -> Result<FileAttr, Errno> {
        let (kind, size, perm) = match self.nodes.get(&node).ok_or(Errno::ENOENT)? {
            Node::File(file) => (FileType::RegularFile, file.now.len() as u64, 0o600),
            Node::Folder(_) => (FileType::Directory, 0, 0o700),
        };
        Ok(FileAttr {
            ino: INodeNo(node),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: rustix::process::getuid().as_raw(),
            gid: rustix::process::getgid().as_raw(),
            rdev: 0,
            blksize: 4_096,
            flags: 0,
        })
    }
}

fn entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&NEVER, &attributes, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn empty(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Mount {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        entry(self.look(|state| state.find(parent.0, name).and_then(|node| state.attributes(node))), reply);
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.look(|state| state.attributes(node.0)) {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        _mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<std::time::SystemTime>,
        _: Option<FileHandle>,
        _crtime: Option<std::time::SystemTime>,
        _chgtime: Option<std::time::SystemTime>,
        _bkuptime: Option<std::time::SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let result = self.change(|state| {
            if let Some(size) = size {
                state.file(node.0)?.change(Change::Length(size as usize));
            }
            state.attributes(node.0)
        });
        match result {
            Ok(attributes) => reply.attr(&NEVER, &attributes),
            Err(error) => reply.error(error),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, reply: ReplyEntry) {
        let result = self.change(|state| {
            if state.find(parent.0, name).is_ok() {
                return Err(Errno::EEXIST);
            }
            let node = state.make(parent.0, name, Node::Folder(Names::default()))?;
            state.attributes(node)
        });
        entry(result, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let result = self.change(|state| {
            state.find(parent.0, name)?;
            state.folder(parent.0)?.name(Naming::Remove { name: name.to_owned() });
            Ok(())
        });
        empty(result, reply);
    }

    fn rmdir(&self, request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.unlink(request, parent, name, reply);
    }

    fn rename(&self, _: &Request, parent: INodeNo, name: &OsStr, to_parent: INodeNo, to: &OsStr, _: RenameFlags, reply: ReplyEmpty) {
        let result = self.change(|state| {
            let node = state.find(parent.0, name)?;
            if parent != to_parent {
                return Err(Errno::EXDEV);
            }
            state.folder(parent.0)?.name(Naming::Rename { from: name.to_owned(), to: to.to_owned(), node });
            Ok(())
        });
        empty(result, reply);
    }

    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let result = self.change(|state| {
            if state.find(parent.0, name).is_ok() {
                return Err(Errno::EEXIST);
            }
            state.folder(parent.0)?.name(Naming::Put { name: name.to_owned(), node: node.0 });
            state.attributes(node.0)
        });
        entry(result, reply);
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _mode: u32, _umask: u32, _flags: i32, reply: ReplyCreate) {
        let result = self.change(|state| {
            if state.find(parent.0, name).is_ok() {
                return Err(Errno::EEXIST);
            }
            let node = state.make(parent.0, name, Node::File(Versions::default()))?;
            state.attributes(node)
        });
        match result {
            Ok(attributes) => reply.created(&NEVER, &attributes, Generation(0), FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let result = self.look(|state| {
            let content = &state.file(node.0)?.now;
            let from = content.len().min(offset as usize);
            Ok(content[from..content.len().min(from + size as usize)].to_vec())
        });
        match result {
            Ok(octets) => reply.data(&octets),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        octets: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let result = self.change(|state| {
            state.file(node.0)?.change(Change::Write { offset: offset as usize, octets: octets.to_vec() });
            Ok(())
        });
        match result {
            Ok(()) => reply.written(octets.len() as u32),
            Err(error) => reply.error(error),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        empty(self.change(|state| state.file(node.0).map(Versions::sync)), reply);
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        empty(self.change(|state| state.folder(node.0).map(Names::sync)), reply);
    }

    fn readdir(&self, _: &Request, node: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let result = self.look(|state| {
            let names: Vec<_> = state.folder(node.0)?.now.iter().map(|(name, node)| (name.clone(), *node)).collect();
            let kind = |state: &mut State, node| state.attributes(node).map(|attributes| attributes.kind);
            names.into_iter().map(|(name, node)| Ok((name, node, kind(state, node)?))).collect::<Result<Vec<_>, Errno>>()
        });
        match result {
            Ok(names) => {
                let own = [(".".into(), node.0, FileType::Directory), ("..".into(), node.0, FileType::Directory)];
                for (at, (name, node, kind)) in (1..).zip(own.into_iter().chain(names)).skip(offset as usize) {
                    if reply.add(INodeNo(node), at, kind, &name) {
                        break;
                    }
                }
                reply.ok();
            }
            Err(error) => reply.error(error),
        }
    }
}
