package org.mobilevitedge.app

import android.app.Activity
import java.util.concurrent.Executors

/** One thread beside the main one, for whatever takes longer than a frame. */
class Worker(private val activity: Activity) {
    private val executor = Executors.newSingleThreadExecutor()

    /** Do [work] after what was asked for before. */
    fun run(work: () -> Unit) {
        executor.execute(work)
    }

    /** Show something on the main thread, unless the activity is gone. */
    fun show(action: () -> Unit) {
        activity.runOnUiThread { if (!activity.isDestroyed) action() }
    }

    /** No more work; what runs ends by itself. */
    fun close() {
        executor.shutdown()
    }
}
