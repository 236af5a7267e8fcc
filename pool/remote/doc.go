// Package remote has the verbs of package pool for more than one machine. It uses NATS JetStream,
// which it can embed: the engine is the same in a unit test, in one binary and on a cluster.
//
//	resize := remote.NewTask("resize-v1", func(ctx context.Context, in Image) (Thumb, error) { ... },
//		remote.TaskOptions{Lease: 30 * time.Second, Attempts: 5})
//
//	e, err := remote.Embedded(dir)                 // or remote.Connect(url)
//	w, err := remote.Serve(ctx, e, resize, remote.Options{Name: "host-7", Workers: 8})
//	f, err := remote.Submit(ctx, e, resize, image) // here, or in another process
//	thumb, err := f.Get()
//	for thumb, err := range remote.Map(ctx, e, resize, images) { ... }
//
// Most programs need only one machine, and package pool: see docs/guide/machines.md.
//
// # What happens
//
// A task begins at least once, and has one accepted result. It may begin again although it had
// nearly ended, or although it still runs on a machine that was cut off. So its effects must do no
// harm when they happen twice, or the task must check [KeyOf] or [FenceOf].
//
//   - A worker dies in a task: another worker begins the task when the lease ends.
//     A live worker renews its lease after each third of it.
//   - A worker is cut off and goes on: the task's context ends with [ErrLeaseLost],
//     by the worker's own clock, and its result is refused.
//   - The function returns an error, panics or calls Goexit: it is called again
//     after Backoff, up to Attempts times, or never if the error is [Permanent].
//   - The last attempt fails, or the task kills its workers: the task becomes a dead
//     letter with its argument, last error and workers, and its future returns a
//     *[DeadError]. [Dead] lists the letters. [Requeue] gives a task all attempts again.
//   - The context of Submit ends: a task that waits is removed, which makes room at
//     once. The context of a task that runs ends with [ErrAbandoned], within a second
//     or two, because a message tells its worker. The same happens within 15 seconds
//     when the submitting process dies. [Detach] lets the task run on instead.
//   - The queue is full: [Submit] blocks, [TrySubmit] returns [ErrFull].
//   - A [Key] is submitted twice: as long as its task waits, runs or is kept, there is
//     one execution, and both submitters get its result. The task ends when the last
//     submitter gives up.
//   - A worker shuts down: it takes no further tasks, and finishes those that run. When
//     the context of its Shutdown is done, it cancels them with [ErrShutdown] and gives
//     them back at once. These attempts do not count.
//   - A process dies: each task that ran in it loses one attempt, even if another task
//     killed the process. Give a task that may do that a worker of its own.
//   - The server restarts on its directory: engines connect again and go on. The files
//     have everything that the server has acknowledged. A power failure may lose what
//     the operating system had not written, as with any server that does not sync each
//     write.
//   - The disk's quota is full: Submit returns an error. Accepted tasks stay, and go on
//     when there is room. A result waits for room, under its lease.
//
// # The protocol
//
// Each task has one record, and the record decides. A writer replaces it by
// compare-and-set on the revision that it has read. The message in the queue and the
// token in the room only make things happen: either may come late or twice, or belong
// to a task that has no record any more.
//
//  1. Submit writes the record, then a token into the room, then the message. The
//     room is a stream of limited length: that is the bound of the queue. Submitters
//     of the same key repeat all three; a step that was done is refused, or does no
//     harm. So the next submitter completes the steps of one that died in between.
//     The repetition needs no Nats-Msg-Id.
//  2. The server hands the message to a slot of a worker that has asked for one, and
//     to no other until the lease has ended. The lease is the consumer's AckWait.
//  3. The worker claims the task: it writes into the record the number of the
//     delivery, its name, and one attempt more. A claim needs a later delivery than
//     that in the record. The revision of the claim is the fence. After the claim the
//     worker deletes the token.
//  4. While the function runs the worker renews the lease with an acknowledgement of
//     progress that the server must answer, and looks at the record. The lease
//     counts from when the last answered renewal was sent.
//  5. The worker writes the result only over the record of its own claim: a worker
//     that has lost its lease finds another delivery there. A failure puts the
//     record back to queued, and the message is handed out again after a delay.
//     JetStream's own count of deliveries has no limit and does not matter.
//  6. When the record says that the task is over, the worker that holds the message
//     writes the dead letter if there is one, tells the owners, and acknowledges the
//     message. Each of these may happen twice.
//  7. A submitter that gives up removes itself from the record's owners. The last one
//     deletes the record, and then the message and the token. A worker that finds a
//     message without a record drops it.
//  8. Each engine writes a sign of life every two seconds. If an engine has been silent
//     for nine seconds, another engine gives up its submissions, as in 7. It does so
//     only if the server has answered it for as long, so that after a restart of the
//     server all engines can write first.
//
// Engines tell each other that a task is over, or given up, by plain messages, which
// may be lost. So an engine also looks at some of its records at each sign of life, and
// at all after a reconnect.
//
// # On the server
//
// All of these can be looked at with the ordinary tools, such as nats stream report and nats kv get
// coterie_tasks. TASK is a task's name, RUN names one execution, ID is a hash of the key or else
// the RUN, ENGINE names an Engine. All streams are kept in files. An operator may change limits and
// replicas of those that exist; the package itself changes only what the table gives to the options
// of a task.
//
//	stream               subjects                     limits, and what it holds
//	coterie_queue_TASK   coterie.queue.TASK.RUN       a work queue, one message for each RUN; refuses new
//	                                                  ones per subject. Arguments of tasks that are not over
//	coterie_room_TASK    coterie.room.TASK.RUN        MaxMsgs is Queue, refuses new ones. Empty messages, one
//	                                                  for each task that no worker has begun
//	KV_coterie_tasks     $KV.coterie_tasks.TASK.ID    one message for each subject. Records; those of tasks
//	                                                  that are over expire after Keep. Deletion is allowed
//	coterie_dead         coterie.dead.TASK.RUN        no limit: letters stay until Requeue, or an operator,
//	                                                  removes them
//	coterie_engines      coterie.engine.ENGINE        one message for each engine: host and process
//
// The one consumer of coterie_queue_TASK is called workers. Its AckWait is Lease, its
// MaxDeliver and MaxAckPending are unlimited, and MaxWaiting is 131,072 requests. The
// subjects coterie.tell.ENGINE are in no stream.
//
// The server needs JetStream of NATS 2.11 or later, for records that expire. A record
// is read from the stream's leader. Messages carry the headers Coterie-Task,
// Coterie-Id, Coterie-Record, Coterie-Room, Coterie-Owners, Coterie-Tell and Coterie-Dead.
package remote
