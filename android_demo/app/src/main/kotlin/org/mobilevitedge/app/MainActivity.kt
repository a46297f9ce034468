package org.mobilevitedge.app

import android.app.Activity
import android.content.Intent
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle as State
import android.provider.OpenableColumns
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.ImageView
import android.widget.ScrollView
import android.widget.Spinner
import android.widget.TextView
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Recognizer

/** Choose a model, classify a photo; the way to the camera and to the measurement. */
class MainActivity : Activity() {
    private lateinit var models: Models
    private lateinit var spinner: Spinner
    private lateinit var message: TextView
    private lateinit var image: ImageView
    private lateinit var answers: AnswerView
    private lateinit var useModel: List<Button>
    private val worker = Worker(this)

    override fun onCreate(state: State?) {
        super.onCreate(state)
        models = Models(this)
        spinner = Spinner(this)
        message = TextView(this)
        image = ImageView(this).apply { adjustViewBounds = true }
        answers = AnswerView(this)
        useModel = listOf(
            button(R.string.photo) { pick(PICK_PHOTO, "image/*") },
            button(R.string.camera) { startActivity(Intent(this, CameraActivity::class.java).putExtra(CameraActivity.MODEL, chosen())) },
            button(R.string.measure) { startActivity(Intent(this, BenchActivity::class.java)) },
        )
        val add = button(R.string.add_bundle) { pick(PICK_BUNDLE, "*/*") }
        val views = listOf(spinner) + useModel + listOf(add, message, image, answers)
        showScreen(ScrollView(this).apply { addView(column(views)) })
        spinner.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) = remember()

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
        message.setText(R.string.working)
        worker.run {
            val problems = models.installAssets()
            worker.show { list(null, problems.joinToString("\n")) }
        }
    }

    override fun onDestroy() {
        worker.close()
        super.onDestroy()
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data
        if (result != RESULT_OK || uri == null) return
        message.setText(R.string.working)
        when (request) {
            PICK_PHOTO -> chosen()?.let { classify(it, uri) }
            PICK_BUNDLE -> add(uri)
        }
    }

    private fun chosen(): String? = spinner.selectedItem as String?

    private fun remember() {
        getPreferences(MODE_PRIVATE).edit().putString(CameraActivity.MODEL, chosen()).apply()
    }

    /** The models that there are; [preferred] or the last one is chosen. */
    private fun list(preferred: String?, problem: String) {
        val wanted = preferred ?: getPreferences(MODE_PRIVATE).getString(CameraActivity.MODEL, null)
        val names = models.names()
        spinner.adapter = ArrayAdapter(this, android.R.layout.simple_spinner_dropdown_item, names)
        if (wanted in names) spinner.setSelection(names.indexOf(wanted))
        for (button in useModel) button.isEnabled = names.isNotEmpty()
        message.text = problem.ifEmpty { if (names.isEmpty()) getString(R.string.no_model) else "" }
    }

    private fun add(uri: Uri) {
        val name = contentResolver.query(uri, arrayOf(OpenableColumns.DISPLAY_NAME), null, null, null)
            ?.use { if (it.moveToFirst()) it.getString(0) else null }
        worker.run {
            try {
                val bundle = models.install(uri, name ?: "bundle")
                worker.show { list(bundle.folder.name, "") }
            } catch (error: BundleException) {
                worker.show { message.text = error.message }
            }
        }
    }

    private fun classify(model: String, uri: Uri) {
        answers.show(emptyList())
        worker.run {
            try {
                val photo = PhotoReader(this).read(uri)
                val start = System.nanoTime()
                val answer = Recognizer.open(models.open(model)) { Models.load(it, THREADS) }
                    .use { it.recognize(PhotoReader.pixels(photo), AnswerView.COUNT) }
                val all = System.nanoTime() - start
                worker.show { show(photo, getString(R.string.times, answer.inferenceNs / NS_PER_MS, all / NS_PER_MS)) }
                worker.show { answers.show(answer.classes) }
            } catch (error: BundleException) {
                worker.show { message.text = error.message }
            } catch (error: OutOfMemoryError) {
                worker.show { message.setText(R.string.too_large) }
            }
        }
    }

    private fun show(photo: Bitmap, times: String) {
        // What a view can draw is bounded by its hardware canvas.
        val scale = minOf(1f, LARGEST_SHOWN / maxOf(photo.width, photo.height).toFloat())
        val (width, height) = Pair((photo.width * scale).toInt().coerceAtLeast(1), (photo.height * scale).toInt().coerceAtLeast(1))
        image.setImageBitmap(Bitmap.createScaledBitmap(photo, width, height, true))
        message.text = times
    }

    private fun pick(request: Int, type: String) {
        startActivityForResult(Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType(type), request)
    }

    companion object {
        /** Of a single photo and of the camera; the measurement has its own. */
        const val THREADS = 2
        const val NS_PER_MS = 1e6
        private const val PICK_PHOTO = 1
        private const val PICK_BUNDLE = 2
        private const val LARGEST_SHOWN = 1024
    }
}
