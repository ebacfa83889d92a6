/**
 * Settings of xl.cfg(5) that a simulated guest has no use for: firmware, graphics, device models, PCI policies, security labels. Naming them is no mistake.
 */
const KEYS = `
  acpi acpi_firmware acpi_laptop_slate acpi_s3 acpi_s4 altp2m altp2mhvm apic bios bios_path_override boot bootloader
  bootloader_args cpuid device_model device_model_args device_model_args_hvm device_model_args_pv
  device_model_override device_model_stubdomain_override device_model_stubdomain_seclabel device_model_user
  device_model_version device_tree display dm_restrict dtdev e820_host firmware firmware_override gfx_passthru
  gic_version hap hdtype hpet init_seclabel iomem ioports irqs keymap mca_caps mmio_hole ms_vm_genid msr_relaxed
  nestedhvm nographic nx oos opengl p9 pae passthrough pci_msitranslate pci_permissive pci_power_mgmt pci_seize pvcalls
  pvshim pvshim_cmdline pvshim_extra pvshim_path rdm rdm_mem_boundary rtc_timeoffset sdl seclabel serial shadow_memory
  smbios_firmware soundhw spice spice_clipboard_sharing spice_image_compression spice_streaming_video spiceagent_mouse
  spicedisable_ticketing spicehost spicepasswd spiceport spicetls_port spiceusbredirection spicevdagent stdvga
  stubdomain_cmdline stubdomain_kernel stubdomain_memory stubdomain_ramdisk tee timer_mode tsc_mode usb usbctrl
  usbdev usbdevice usbversion vdispl vendor_device vfb vga videoram vif2 viridian vkb vkb_device vmtrace_buf_kb vnc
  vncdisplay vnclisten vncpasswd vncunused vncviewer vnuma vpmu vpt_align vsnd vtpm vuart xauthority xen_platform_pci
  xend_suspend_evtchn_compat
`;

export const XL_KEYS_WITHOUT_EFFECT: ReadonlySet<string> = new Set(KEYS.trim().split(/\s+/));
