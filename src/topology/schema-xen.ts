/** The shape of `xen` and `ipoib` blocks, as zod schemas; a part of `schema.ts`. */
import type { Zod } from './lazy.ts';
import { TIME } from './units.ts';

/** The most guests of one node, pCPUs, and vCPUs of a domain. */
const MAX_GUESTS = 1000;
const MAX_CPUS = 256;
const MAX_VCPUS = 32;
const MAX_MEMORY_MIB = 2 ** 24;

/** What the schemas below are made of. */
function kinds(z: Zod) {
  const integer = (least: number, most: number, what = 'a whole number') => {
    const error = `${what} from ${least} to ${most}`;
    return z.int({ error }).min(least, { error }).max(most, { error });
  };
  const text = (error: string) => z.string({ error });
  const time = z.string({ error: TIME.accepted }).regex(TIME.pattern, { error: TIME.accepted });
  const flag = z.boolean({ error: 'true or false' });
  const address = z
    .string({ error: 'an IPv4 address such as 10.0.0.7' })
    .regex(/^(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])(?:\.(?!$)|$)){4}$/, { error: 'an IPv4 address such as 10.0.0.7' });

  return { integer, text, time, flag, address };
}

function guestSchemas(z: Zod) {
  const { integer, text, time, flag, address } = kinds(z);
  const domain = {
    memory: integer(16, MAX_MEMORY_MIB, 'MiB').describe('MiB').optional(),
    vcpus: integer(1, MAX_VCPUS, 'a number of vCPUs').optional(),
    weight: integer(1, 65535, 'a weight').describe('share of the CPU, 256 is usual').optional(),
    cap: integer(0, 25600, 'percent of one CPU').describe('percent of one CPU, 0: none').optional(),
    cpus: text('CPUs such as "0-3,^1" or "all"').describe('CPUs that it may run on').optional(),
    period: time.describe('sedf').optional(),
    slice: time.describe('sedf').optional(),
    extratime: flag.describe('sedf').optional(),
    mcuAdvance: integer(1, 1_000_000).describe('bvt: inverse weight').optional(),
    warp: time.describe('bvt').optional(),
  };
  const mac = z
    .string({ error: 'a MAC address such as 00:16:3e:00:00:01' })
    .regex(/^[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}$/, { error: 'a MAC address such as 00:16:3e:00:00:01' });
  const vif = z.strictObject(
    {
      mac: mac.optional(),
      ip: address.optional(),
      bridge: text('the name of a bridge')
        .describe("a bridge among this host's guests; absent: routed, with proxy ARP")
        .optional(),
      rate: text('a rate such as 100Mb/s or 10Mb/s@50ms').optional(),
    },
    { error: 'a map with mac, ip, bridge and rate, or {}' },
  );
  const guestIb = z.strictObject(
    {
      mode: z.enum(['bypass', 'vf'], { error: 'bypass, vf' }),
      hca: integer(0, 63, 'the position of an HCA').optional(),
      port: integer(1, 254, 'a port').optional(),
    },
    { error: 'a map with mode, hca and port' },
  );
  const guest = z.strictObject(
    {
      ...domain,
      vif: z.array(vif, { error: 'a list of vifs, such as [{}]' }).max(8).describe('network devices').optional(),
      ib: z.array(guestIb, { error: 'a list of InfiniBand devices, such as [{ mode: bypass }]' }).max(8).optional(),
      load: z
        .union(
          [
            z.enum(['idle', 'busy'], { error: 'idle, busy, or a map with busy and every' }),
            z.strictObject({ busy: time, every: time }, { error: 'idle, busy, or a map with busy and every' }),
          ],
          { error: 'idle, busy, or a map with busy and every' },
        )
        .describe('what it computes when it does not run the program')
        .optional(),
    },
    { error: 'a map of guest settings, or {}' },
  );
  return { domain, guest };
}

/** Schemas of the blocks and of one guest. */
export function xenSchemas(z: Zod) {
  const { integer, text, time, flag, address } = kinds(z);
  const { domain, guest } = guestSchemas(z);
  const ipoib = z
    .strictObject(
      {
        mode: z.enum(['datagram', 'connected'], { error: 'datagram, connected' }).optional(),
        hca: integer(0, 63, 'the position of an HCA').optional(),
        port: integer(1, 254, 'a port').optional(),
        address: address.optional(),
      },
      { error: 'a map with mode, hca, port and address, or {}' },
    )
    .describe('IP over InfiniBand: the device ib0 of the host, or of its driver domain');

  const scheduler = z.union(
    [
      text('the name of a scheduler'),
      z.strictObject(
        {
          name: text('the name of a scheduler'),
          timeslice: time.optional(),
          ratelimit: time.optional(),
          boost: flag.describe('credit: wakes are boosted').optional(),
          kickAway: flag
            .describe('credit: a wake kicks the running vCPU off through a migration that boosts it, as before 4.6')
            .optional(),
        },
        { error: 'a map with name, timeslice, ratelimit, boost and kickAway' },
      ),
    ],
    { error: 'the name of a scheduler, or a map with name and its settings' },
  );
  const xen = z
    .strictObject(
      {
        version: text('a version of Xen').describe('era of the hypervisor').optional(),
        scheduler: scheduler.optional(),
        cpus: integer(1, MAX_CPUS, 'a number of CPUs').describe('physical CPUs').optional(),
        memory: integer(64, MAX_MEMORY_MIB, 'MiB').describe('MiB of the machine').optional(),
        costs: z
          .record(z.string(), z.number({ error: 'a number' }).min(0, { error: 'a number from 0' }), {
            error: 'a map of parameter: number',
          })
          .describe("costs that replace the era's, in ps")
          .optional(),
        dom0: z.strictObject(domain, { error: 'a map of domain settings' }).optional(),
        guests: z
          .record(z.string(), guest, { error: 'a map of guests by name or range' })
          .refine((guests) => Object.keys(guests).length <= MAX_GUESTS, { error: `at most ${MAX_GUESTS} guests` })
          .optional(),
        configs: z.array(text('the name of an xl.cfg file'), { error: 'a list of xl.cfg files' }).max(MAX_GUESTS).optional(),
      },
      { error: 'a map with version, scheduler, cpus, memory, costs, dom0, guests and configs' },
    )
    .describe('a Xen hypervisor with its guests');
  return { xen, ipoib, guest };
}
