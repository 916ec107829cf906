// The official SDK of Stripe against the served emulator: node stripe.mjs URL KEY
import Stripe from 'stripe';
import { control, deliveries, key, note, origin, refused, run } from './common.mjs';

const stripe = new Stripe(key, {
  host: origin.hostname,
  port: origin.port,
  protocol: 'http',
  maxNetworkRetries: 0,
  telemetry: false,
});

async function open(reference, options) {
  const draft = await stripe.invoices.create(
    {
      customer: 'cus_42',
      currency: 'eur',
      collection_method: 'send_invoice',
      days_until_due: 14,
      metadata: { reference },
    },
    options,
  );
  await stripe.invoices.addLines(draft.id, { lines: [{ amount: 1999, description: 'Reservation fees' }] });
  return stripe.invoices.finalizeInvoice(draft.id);
}

await run(async () => {
  const customer = await stripe.customers.create({ email: 'new@example.test', name: 'New' });
  note('customer', (await stripe.customers.retrieve(customer.id)).email);

  const made = await open('res-1');
  note('made', [made.status, made.total, made.lines.data[0].description]);
  note('marked', (await stripe.invoices.pay(made.id, { paid_out_of_band: true })).status);

  const second = await open('res-2');
  note('voided', (await stripe.invoices.voidInvoice(second.id)).status);
  const third = await open('res-3');
  note('written_off', (await stripe.invoices.markUncollectible(third.id)).status);
  const all = [];
  for await (const invoice of stripe.invoices.list({ limit: 2 })) all.push(invoice.status);
  note('listed', all);
  note('found', (await stripe.invoices.search({ query: "metadata['reference']:'res-2'" })).data.length);

  // an idempotency key: the same answer, and a refusal of other parameters
  const params = { customer: 'cus_42', currency: 'eur' };
  const first = await stripe.invoices.create(params, { idempotencyKey: 'key-1' });
  const again = await stripe.invoices.create(params, { idempotencyKey: 'key-1' });
  note('replayed', [first.id === again.id, again.lastResponse.headers['idempotent-replayed']]);
  const mismatch = await refused(() =>
    stripe.invoices.create({ ...params, currency: 'usd' }, { idempotencyKey: 'key-1' }),
  );
  note('mismatch', [mismatch.type, mismatch.statusCode]);
  note('deleted', (await stripe.invoices.del(first.id)).deleted);
  note('missing', (await refused(() => stripe.invoices.retrieve('in_nope'))).code);
  note('late_void', (await refused(() => stripe.invoices.voidInvoice(made.id))).type);
  const wrong = new Stripe('sk_test_another_one', { host: origin.hostname, port: origin.port, protocol: 'http' });
  note('wrong_key', (await refused(() => wrong.invoices.list())).type);

  // test payment methods of Stripe: attached, then charged or declined
  const good = await stripe.paymentMethods.attach('pm_card_visa', { customer: customer.id });
  const bad = await stripe.paymentMethods.attach('pm_card_chargeCustomerFail', { customer: customer.id });
  note('attached', [good.card.last4, bad.customer === customer.id, good.id !== 'pm_card_visa']);
  const declinedAtOnce = await refused(() =>
    stripe.paymentMethods.attach('pm_card_chargeDeclined', { customer: customer.id }),
  );
  note('declined_at_attach', [declinedAtOnce.type, declinedAtOnce.code]);
  await stripe.customers.update(customer.id, { invoice_settings: { default_payment_method: bad.id } });
  const owed = await stripe.invoices.create({ customer: customer.id, currency: 'eur' });
  await stripe.invoices.addLines(owed.id, { lines: [{ amount: 500, description: 'Fee' }] });
  await stripe.invoices.finalizeInvoice(owed.id);
  const declined = await refused(() => stripe.invoices.pay(owed.id));
  note('declined', [declined.type, declined.code, declined.decline_code]);
  note('collected', (await stripe.invoices.pay(owed.id, { payment_method: good.id })).status);

  // webhooks, verified by the SDK
  const received = await deliveries(4, async () => {
    const paid = await open('res-4');
    await stripe.invoices.pay(paid.id, { paid_out_of_band: true });
  });
  const secret = (await control('GET', 'webhooks')).test_secret;
  note(
    'webhooks',
    received.map(({ headers, body }) => {
      const event = stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret);
      return [event.type, event.data.object.status];
    }),
  );
  const { headers, body } = received[0];
  note('confirmed', (await stripe.events.retrieve(JSON.parse(body).id)).type);
  const forged = await refused(async () =>
    stripe.webhooks.constructEvent(`${body} `, headers['stripe-signature'], secret),
  );
  note('forged', forged.type);
  const old = await deliveries(1, () => open('res-5'), { signed_ago: 600, events: ['invoice.created'] });
  const stale = await refused(async () =>
    stripe.webhooks.constructEvent(old[0].body, old[0].headers['stripe-signature'], secret),
  );
  note('stale', stale.type);
  note('harm', (await control('GET', 'ledger')).harm);
});
