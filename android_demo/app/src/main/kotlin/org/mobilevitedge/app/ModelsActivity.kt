package org.mobilevitedge.app

import android.app.Activity
import android.app.AlertDialog
import android.content.Intent
import android.net.Uri
import android.os.Bundle as State
import android.provider.OpenableColumns
import android.view.View
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.SelfTest

/** Models: what there is, whether it passes its self-test on this phone; add from a file, delete. */
class ModelsActivity : Activity() {
    private lateinit var models: Models
    private lateinit var message: TextView
    private lateinit var list: LinearLayout
    private val worker = Worker(this)

    override fun onCreate(state: State?) {
        super.onCreate(state)
        models = Models(this)
        message = label(color = R.color.warning)
        list = column(emptyList()).apply { setPadding(0, 0, 0, 0) }
        val add = button(R.string.add_bundle) {
            val files = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("*/*")
            if (!startFirst(PICK_BUNDLE, files)) message.setText(R.string.no_picker)
        }
        showScreen(ScrollView(this).apply { addView(column(listOf(add, message, list))) })
        refresh()
    }

    override fun onDestroy() {
        worker.close()
        super.onDestroy()
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data
        if (result == RESULT_OK && uri != null) add(uri)
    }

    private fun add(uri: Uri) {
        message.setText(R.string.working)
        worker.run {
            try {
                val name = contentResolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
                    ?.use { if (it.moveToFirst()) it.getString(0) else null }
                models.install(uri, name ?: "bundle")
                worker.show { message.text = "" }
            } catch (error: BundleException) {
                worker.show { message.text = error.message }
            } catch (error: SecurityException) {
                worker.show { message.text = error.message }
            }
        }
        refresh()
    }

    /** Show every model, then test one after the other. */
    private fun refresh() = worker.run {
        val entries = models.entries()
        worker.show {
            list.removeAllViews()
            if (entries.isEmpty()) list.addView(label().apply { setText(R.string.no_model) })
        }
        for (entry in entries) {
            val verdict = label(color = R.color.faint).apply { setText(R.string.testing) }
            worker.show { list.addView(row(entry, verdict)) }
            val reason = entry.bundle?.let(::selfTest)
            worker.show {
                verdict.text = if (entry.bundle == null) "" else reason ?: getString(R.string.test_passed)
                if (reason != null) verdict.setTextColor(getColor(R.color.warning))
            }
        }
    }

    private fun row(entry: ModelEntry, verdict: TextView): View {
        val texts = listOf(
            label(18f).apply { text = entry.title.name },
            label(14f, R.color.faint).apply { text = entry.title.detail },
            verdict,
        )
        return column(texts + button(R.string.delete) { askToDelete(entry) })
    }

    /** Why the model is not to be trusted on this phone; null if it is. */
    private fun selfTest(bundle: Bundle): String? =
        try {
            Runtimes.load(bundle, MainActivity.THREADS).use { SelfTest.run(bundle.manifest, it) }.let { if (it.passed) null else it.reason }
        } catch (error: BundleException) {
            error.message
        } catch (error: OutOfMemoryError) {
            getString(R.string.no_memory)
        }

    private fun askToDelete(entry: ModelEntry) {
        AlertDialog.Builder(this)
            .setMessage(getString(R.string.delete_question, "${entry.title.name} (${entry.name})"))
            .setPositiveButton(R.string.delete) { _, _ ->
                worker.run { models.delete(entry.name) }
                refresh()
            }
            .setNegativeButton(R.string.keep, null)
            .show()
    }

    private companion object {
        const val PICK_BUNDLE = 1
    }
}
