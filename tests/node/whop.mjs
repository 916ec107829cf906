// The official SDK of Whop against the served emulator: node whop.mjs URL KEY
import Whop from '@whop/sdk';
import { control, deliveries, key, note, origin, refused, run } from './common.mjs';

const secret = (await control('GET', 'webhooks')).test_secret;
const whop = new Whop({
  apiKey: key,
  baseURL: `${origin.origin}/api/v1`,
  // Whop's key is the secret as it is written; the library that the SDK uses decodes base64 first
  webhookKey: Buffer.from(secret).toString('base64'),
  maxRetries: 0,
});
const due = new Date(Date.now() + 14 * 86400000).toISOString();

function params(reference) {
  return {
    company_id: 'biz_42',
    collection_method: 'send_invoice',
    member_id: 'mber_42',
    due_date: due,
    product: { title: 'Reservation fees' },
    plan: { initial_price: 19.99, currency: 'eur', plan_type: 'one_time', internal_notes: reference },
    line_items: [{ label: 'Reservation fees', unit_price: 19.99, quantity: 1 }],
  };
}

await run(async () => {
  const made = await whop.invoices.create(params('res-1'));
  note('made', [made.status, made.current_plan.currency, made.line_items[0].total]);
  note('marked', [await whop.invoices.markPaid(made.id), (await whop.invoices.retrieve(made.id)).status]);
  const second = await whop.invoices.create(params('res-2'));
  await whop.invoices.void(second.id);
  note('voided', (await whop.invoices.retrieve(second.id)).status);
  const third = await whop.invoices.create(params('res-3'));
  await whop.invoices.markUncollectible(third.id);
  note('written_off', (await whop.invoices.retrieve(third.id)).status);
  const draft = await whop.invoices.create({ ...params('res-4'), save_as_draft: true });
  note('deleted', await whop.invoices.delete(draft.id));
  const charged = {
    ...params('res-5'),
    collection_method: 'charge_automatically',
    payment_method_id: 'pmt_42',
  };
  note('collected', (await whop.invoices.create(charged)).status);
  const plan = (reference) => ({ plan: params(reference).plan });
  note('declined', (await whop.invoices.create({ ...charged, ...plan('res-5b'), payment_method_id: 'pmt_declined' })).status);

  const all = [];
  for await (const invoice of whop.invoices.list({ company_id: 'biz_42', first: 2 })) all.push(invoice.status);
  note('listed', all);

  const idempotent = { headers: { 'Idempotency-Key': 'key-1' } };
  const first = await whop.invoices.create(params('res-6'), idempotent);
  const { data: again, response } = await whop.invoices.create(params('res-6'), idempotent).withResponse();
  note('replayed', [first.id === again.id, response.headers.get('idempotent-replayed')]);
  const mismatch = await refused(() => whop.invoices.create(params('res-7'), idempotent));
  note('mismatch', [mismatch.status, mismatch.error.error.code]);
  note('missing', (await refused(() => whop.invoices.retrieve('inv_nope'))).status);
  note('late_void', (await refused(() => whop.invoices.void(made.id))).status);
  const wrong = new Whop({ apiKey: 'another_one', baseURL: `${origin.origin}/api/v1`, maxRetries: 0 });
  note('wrong_key', (await refused(() => wrong.invoices.retrieve(made.id))).status);

  const received = await deliveries(2, async () => {
    const invoice = await whop.invoices.create(params('res-8'));
    await whop.invoices.markPaid(invoice.id);
  });
  note(
    'webhooks',
    received.map(({ headers, body }) => {
      const event = whop.webhooks.unwrap(body, { headers });
      return [event.type, event.data.status];
    }),
  );
  const { headers, body } = received[0];
  const forged = await refused(async () => whop.webhooks.unwrap(`${body} `, { headers }));
  note('forged', forged.message);
  const old = await deliveries(1, () => whop.invoices.create(params('res-9')), { signed_ago: 600 });
  const stale = await refused(async () => whop.webhooks.unwrap(old[0].body, { headers: old[0].headers }));
  note('stale', stale.message);
  note('harm', (await control('GET', 'ledger')).harm);
});
