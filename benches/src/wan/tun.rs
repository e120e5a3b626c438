//! A network device whose packets a program reads and writes.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    os::fd::{AsFd, BorrowedFd},
};

use rustix::io::ioctl_fionbio;

/// The largest packet, in bytes.
const LARGEST: usize = 65_536;

/// One end of a wire that this program is. The device is in the network namespace in which it was made, and goes when
/// this is dropped or that namespace ends.
#[derive(Debug)]
pub(super) struct Tun(File);

impl Tun {
    /// Makes the device, in the calling thread's network namespace. It has no address yet.
    ///
    /// # Errors
    /// When the kernel has no such devices, or the caller may not make one.
    pub(super) fn make(name: &str) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun")?;
        request::attach(&file, name)?;
        ioctl_fionbio(&file, true)?;
        Ok(Self(file))
    }

    /// The next packet that the kernel sends through the device; `None` if there is none for now.
    pub(super) fn read<'a>(&self, buffer: &'a mut Buffer) -> io::Result<Option<&'a [u8]>> {
        match (&self.0).read(&mut buffer.0) {
            Ok(length) => Ok(Some(&buffer.0[..length])),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Lets a packet come in through the device.
    pub(super) fn write(&self, packet: &[u8]) -> io::Result<()> {
        (&self.0).write_all(packet)
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Room for any packet.
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; LARGEST].into())
    }
}

/// The one call for which there is no safe wrapper.
#[allow(unsafe_code, reason = "no safe wrapper offers TUNSETIFF; see the SAFETY note at the call")]
mod request {
    use std::{ffi::c_int, fs::File, io};

    use rustix::ioctl::{Opcode, Updater, ioctl, opcode};

    /// `TUNSETIFF` (linux/if_tun.h). It is declared with an `int`, and takes a `struct ifreq` all the same.
    const ATTACH: Opcode = opcode::write::<c_int>(b'T', 202);

    /// `IFF_TUN | IFF_NO_PI`: IP packets, with nothing in front of them.
    const FLAGS: u16 = 0x0001 | 0x1000;

    /// `struct ifreq` (linux/if.h): a name, and a union of 24 bytes, at whose beginning this call wants flags.
    #[repr(C, align(8))]
    struct InterfaceRequest {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }

    pub(super) fn attach(file: &File, name: &str) -> io::Result<()> {
        let mut request = InterfaceRequest { name: [0; 16], flags: FLAGS, rest: [0; 22] };
        // The last byte stays zero: it ends the name.
        if name.len() >= request.name.len() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "an interface's name has at most 15 bytes",
            ));
        }
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        // SAFETY: the call reads a `struct ifreq` and writes one back (the name); `InterfaceRequest` has its size of 40
        // bytes, and lives past the call. The kernel keeps no pointer to it.
        unsafe { ioctl(file, Updater::<ATTACH, InterfaceRequest>::new(&mut request)) }?;
        Ok(())
    }

    const _: () =
        assert!(size_of::<InterfaceRequest>() == 40, "the size of struct ifreq on a 64-bit machine");
}
