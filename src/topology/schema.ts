/**
 * The shape of a topology file, as zod schemas: names, types and the form of each value. From here come the JSON Schema that
 * editors use (`topologies/heddle.schema.json`) and the first pass of checking; what a value means together with others is `resolve.ts`.
 * `error` texts say what is accepted; `check.ts` puts what was found before them.
 */
import type * as Z from 'zod';
import { type Zod, zodLibrary } from './lazy.ts';
import { MAX_HCAS_PER_NODE, MAX_PORTS, MAX_UNICAST_LIDS } from './limits.ts';
import { OPERATIONAL_VLS } from './qos.ts';
import { xenSchemas } from './schema-xen.ts';
import { LINK_SPEEDS, LINK_WIDTHS, MTUS } from './speeds.ts';
import { BUFFER, LENGTH, TIME } from './units.ts';

/** The whole file's schema and those of its parts. A function of the library, so that nothing is built before a file is read. */
function buildSchema(z: Zod) {
  const integer = (least: number, most: number, what = 'a whole number') => {
    const error = `${what} from ${least} to ${most}`;
    return z.int({ error }).min(least, { error }).max(most, { error });
  };
  const choice = <const T extends readonly string[]>(names: T) => z.enum(names, { error: names.join(', ') });
  const text = (error: string) => z.string({ error });
  const withUnit = (kind: { pattern: RegExp; accepted: string }) =>
    z.string({ error: kind.accepted }).regex(kind.pattern, { error: kind.accepted });
  const oneOfNumbers = (numbers: readonly number[]) => z.literal([...numbers] as number[], { error: numbers.join(', ') });
  const flag = z.boolean({ error: 'true or false' });

  const GUID_RULE = 'a GUID as 16 hexadecimal digits, such as 0x0002c90300001230 or 0002:c903:0000:1230';
  const guid = z
    .union([z.string().regex(/^(?:0x[0-9a-fA-F]{1,16}|[0-9a-fA-F]{4}(?::[0-9a-fA-F]{4}){3})$/), z.int().min(1)], {
      error: GUID_RULE,
    })
    .describe('EUI-64, unique in the fabric; given out in order where absent');
  const lid = integer(1, MAX_UNICAST_LIDS, 'a unicast LID').describe('LID to be given by the subnet manager');
  const lmc = integer(0, 7).describe('LID mask count');
  const probability = z
    .number({ error: 'a probability from 0 to 1, such as 1e-12' })
    .min(0, { error: 'a probability from 0 to 1' })
    .max(1, { error: 'a probability from 0 to 1' });

  const qos = z
    .strictObject(
      {
        operationalVls: oneOfNumbers(OPERATIONAL_VLS).describe('data virtual lanes in use').optional(),
        slToVl: z
          .array(integer(0, 15, 'a VL'), { error: 'a list of 16 VLs, for SL 0 to 15' })
          .length(16, { error: 'a list of 16 VLs, for SL 0 to 15' })
          .describe('VL of each of the 16 SLs; 15 drops')
          .optional(),
        vlArbitration: z
          .strictObject(
            {
              high: text('a table such as "0:64,1:32"').describe('high-priority table, VL:weight').optional(),
              low: text('a table such as "0:64,1:32"').describe('low-priority table, VL:weight').optional(),
              highLimit: integer(0, 255)
                .describe('high-priority bytes before a low-priority chance, in 4096; 255: no limit')
                .optional(),
            },
            { error: 'a map with high, low and highLimit' },
          )
          .optional(),
        headOfQueueLife: integer(0, 31).describe('4.096us * 2^n at the head of a queue, then dropped; from 20: never').optional(),
        vlStallCount: integer(1, 7).optional(),
      },
      { error: 'a map of virtual-lane settings' },
    )
    .describe('virtual lanes');

  const hcaPort = z.strictObject(
    { guid: guid.optional(), lid: lid.optional(), lmc: lmc.optional() },
    { error: 'a map with guid, lid and lmc' },
  );
  const hca = z
    .strictObject(
      {
        name: text('a name such as mlx4_0').optional(),
        profile: text('the name of an HCA profile').describe('HCA profile; heddle list names them').optional(),
        overrides: z
          .record(z.string(), z.number({ error: 'a number' }), { error: 'a map of parameter: number' })
          .describe("numbers that replace the profile's")
          .optional(),
        ports: z
          .union([integer(1, MAX_PORTS), z.array(hcaPort).min(1).max(MAX_PORTS)], {
            error: `a number of ports from 1 to ${MAX_PORTS}, or a list with guid, lid and lmc of each`,
          })
          .optional(),
        guid: guid.optional(),
        systemImageGuid: guid.optional(),
        vendorId: integer(0, 0xffffff).optional(),
        deviceId: integer(0, 0xffff).optional(),
        description: text('a text').optional(),
        qos: qos.optional(),
      },
      { error: 'a map of HCA settings' },
    )
    .describe('a channel adapter');
  const { xen, ipoib, guest } = xenSchemas(z);
  const node = z
    .strictObject(
      {
        role: choice(['processor', 'io']).optional(),
        hca: hca.optional(),
        hcas: z
          .array(hca, { error: 'a list of HCAs' })
          .min(1, { error: 'at least one HCA' })
          .max(MAX_HCAS_PER_NODE, { error: `at most ${MAX_HCAS_PER_NODE} HCAs` })
          .optional(),
        router: flag.describe('an InfiniBand router, held as an end node').optional(),
        ipoib: ipoib.optional(),
        xen: xen.optional(),
      },
      { error: 'a map of node settings, or {}' },
    )
    .describe('a processor or I/O node');

  const switchNumbers = {
    ports: integer(1, MAX_PORTS, 'a number of ports').optional(),
    model: choice(['voq', 'fifo']).describe('queues per output (voq) or one per input (fifo)').optional(),
    latency: withUnit(TIME).describe('first bit in to first bit out').optional(),
    buffer: withUnit(BUFFER).describe('input buffer of each data VL of each port').optional(),
  };
  const switchSettings = z
    .strictObject(
      {
        type: text('the name of a switch type').describe('a product, or one of switchTypes').optional(),
        ...switchNumbers,
        packetLifetime: integer(0, 31).describe('4.096us * 2^n in the switch, then dropped; from 20: never').optional(),
        guid: guid.optional(),
        systemImageGuid: guid.optional(),
        vendorId: integer(0, 0xffffff).optional(),
        deviceId: integer(0, 0xffff).optional(),
        description: text('a text').optional(),
        lid: lid.optional(),
        lmc: lmc.optional(),
        enhancedPort0: flag.optional(),
        level: integer(0, 63).describe('0 for leaves, rising to the roots').optional(),
        coordinates: z.array(integer(0, 1_000_000), { error: 'a list of whole numbers' }).max(32).optional(),
        group: text('a name').describe('pod, dragonfly group or chassis').optional(),
        qos: qos.optional(),
      },
      { error: 'a map of switch settings, or {}' },
    )
    .describe('a switch');

  const linkSettings = {
    speed: choice(LINK_SPEEDS).describe('per lane').optional(),
    width: choice(LINK_WIDTHS).describe('lanes').optional(),
    length: withUnit(LENGTH).describe('of the cable, at 5 ns a metre').optional(),
    propagation: withUnit(TIME).describe('one way, instead of length').optional(),
    mtu: oneOfNumbers(MTUS).describe('largest payload in bytes').optional(),
    bitErrorRate: probability.describe('probability that a bit is wrong').optional(),
  };
  const linkText = z.strictObject(linkSettings, { error: 'a map of link settings' });
  const connect = text('ends such as "cpu[1-4] -> leaf1[1-4]"').describe(
    'A -> B joins one by one, A => B each with each; an end is name, name:port, name/hca:port, or a range of them',
  );
  const link = z.union(
    [
      connect,
      z.strictObject(
        { connect, ...linkSettings, count: integer(1, MAX_PORTS).describe('parallel links').optional() },
        { error: 'a map of link settings' },
      ),
    ],
    { error: 'ends such as "cpu[1-4] -> leaf1[1-4]", or a map with connect' },
  );

  const names = z.union([text('a name or range'), z.array(text('a name or range'))], {
    error: 'a name or range, or a list of them',
  });

  const generate = z
    .strictObject(
      {
        kind: text('the name of a generator'),
        k: integer(1, 1024).optional(),
        n: integer(1, 16).optional(),
        levels: integer(2, 3).optional(),
        taper: z.number({ error: 'a number from 1' }).min(1, { error: 'a number from 1' }).max(MAX_PORTS).optional(),
        leaves: integer(1, MAX_PORTS).optional(),
        pods: integer(1, MAX_PORTS).optional(),
        hosts: integer(0, MAX_UNICAST_LIDS).optional(),
        dimensions: z
          .array(integer(1, MAX_UNICAST_LIDS), { error: 'a list of sizes such as [4, 4, 4]' })
          .min(1)
          .max(16)
          .optional(),
        dimension: integer(1, 15).optional(),
        a: integer(1, MAX_PORTS).optional(),
        p: integer(1, MAX_PORTS).optional(),
        h: integer(1, MAX_PORTS).optional(),
        groups: integer(1, MAX_UNICAST_LIDS).optional(),
        hostLink: linkText.describe('differs from defaults.link').optional(),
        switchLink: linkText.describe('differs from defaults.link').optional(),
      },
      { error: 'a map with kind and its parameters' },
    )
    .describe('a generated fabric, to which nodes, switches and links below add');

  const topologyFile = z
    .strictObject(
      {
        heddle: z.literal(1, { error: '1, the version of the format' }),
        name: text('a name').optional(),
        description: text('a text').optional(),
        defaults: z
          .strictObject(
            {
              node: node.optional(),
              switch: switchSettings.optional(),
              link: linkText.optional(),
              qos: qos.optional(),
            },
            { error: 'a map with node, switch, link and qos' },
          )
          .optional(),
        switchTypes: z
          .record(
            z.string(),
            z.strictObject(
              { base: text('the name of a switch type').optional(), ...switchNumbers },
              { error: 'a map of switch numbers' },
            ),
            { error: 'a map of switch types by name' },
          )
          .describe('switch products of your own')
          .optional(),
        generate: generate.optional(),
        switches: z.record(z.string(), switchSettings, { error: 'a map of switches by name or range' }).optional(),
        nodes: z.record(z.string(), node, { error: 'a map of nodes by name or range' }).optional(),
        links: z.array(link, { error: 'a list of links' }).optional(),
        routing: z
          .strictObject(
            {
              engine: choice(['min-hop', 'up-down', 'fat-tree', 'dor']),
              roots: names.describe('root switches, for up-down and fat-tree').optional(),
              datelines: flag.describe('break the rings of a torus by SL and VL, for dor').optional(),
            },
            { error: 'a map with engine, roots and datelines' },
          )
          .optional(),
        partitions: z
          .record(
            z.string(),
            z.strictObject(
              {
                pkey: integer(1, 0x7fff, 'a P_Key without its membership bit,'),
                full: names.describe('nodes with full membership, or all').optional(),
                limited: names.describe('nodes with limited membership, or all').optional(),
              },
              { error: 'a map with pkey, full and limited' },
            ),
            { error: 'a map of partitions by name' },
          )
          .optional(),
        faults: z
          .array(text('a fault such as "link leaf1:3 down at 5ms for 1ms"'), { error: 'a list of faults' })
          .describe('what breaks, and when, in simulated time')
          .optional(),
      },
      { error: 'a map that begins with heddle: 1' },
    )
    .describe('A fabric for heddle: nodes, switches, links, or a generator of them.');
  return { topologyFile, node, hca, switchSettings, linkText, generate, xen, ipoib, guest };
}

let built: ReturnType<typeof buildSchema> | undefined;

/** The schemas, built when first asked for. */
export function topologySchemas(): ReturnType<typeof buildSchema> {
  built ??= buildSchema(zodLibrary());
  return built;
}

type Schemas = ReturnType<typeof buildSchema>;
export type TopologyFile = Z.infer<Schemas['topologyFile']>;
export type NodeText = Z.infer<Schemas['node']>;
export type HcaText = Z.infer<Schemas['hca']>;
export type SwitchText = Z.infer<Schemas['switchSettings']>;
export type LinkText = Z.infer<Schemas['linkText']>;
export type XenText = Z.infer<Schemas['xen']>;
export type IpoibText = Z.infer<Schemas['ipoib']>;
export type GuestText = Z.infer<Schemas['guest']>;
export type GenerateText = Z.infer<Schemas['generate']>;

/** The JSON Schema (draft 2020-12) of a topology file, as the text of `topologies/heddle.schema.json`. */
export function topologySchemaText(): string {
  const { $schema, ...schema } = zodLibrary().toJSONSchema(topologySchemas().topologyFile, { io: 'input' }) as Record<
    string,
    unknown
  >;
  return `${JSON.stringify({ $schema, title: 'heddle topology', ...schema }, null, 2)}\n`;
}
